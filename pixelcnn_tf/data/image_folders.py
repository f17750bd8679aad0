"""Images from folders, with sets and classes from the names of their sub-folders."""

import re
from pathlib import Path

import numpy as np

from pixelcnn_tf.config.data import DataConfig
from pixelcnn_tf.data.file_search import (
    FoundFiles,
    class_labels,
    class_names,
    count_by_ending,
    find_files,
    find_images,
)
from pixelcnn_tf.data.image_files import BrokenImagesError, read_images
from pixelcnn_tf.data.images import Part
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.progress import say

_SET_NAMES = {
    "training": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
_SET_ENDINGS = re.compile(r"[-_ ]?(set|images|imgs|data)?[-_ ]?\d*$")

#: The names of folders that contain images, or the folders of the classes, and are no class.
_CONTAINERS = ("images", "imgs", "img", "data")


def set_of(name: str) -> str | None:
    """Returns the set that a folder is named like, or None: ``'training'``, ``'validation'`` or
    ``'test'``, in any case, also with an ending such as ``_images`` or the year.

    Examples:
        >>> [set_of(name) for name in ("Train", "val2017", "test_images", "tester")]
        ['training', 'validation', 'test', None]
    """
    stem = _SET_ENDINGS.sub("", name.lower())
    return next((part for part, names in _SET_NAMES.items() if stem in names), None)


def set_within(name: str) -> str | None:
    """Returns the set that one word of a name means, as in ``DIV2K_train_HR``, or None.

    Examples:
        >>> [set_within(name) for name in ("cifar10-test", "trainA", "TRAINS", "trainer")]
        ['test', 'training', 'training', None]
    """
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}
    words |= {word.removesuffix("s") for word in words}
    parts = [part for part, names in _SET_NAMES.items() if words & set(names)]
    return parts[0] if len(parts) == 1 else None


def class_root(folder: Path, images: list[Path], data: DataConfig) -> Path:
    """Returns the folder whose sub-folders are the classes of images: ``folder``, unless all of
    them are in one sub-folder that is no class, such as ``images``, and so on within that.

    Examples:
        >>> folder = Path("birds")
        >>> class_root(folder, [folder / "images/owl/1.png"], DataConfig()) == folder / "images"
        True
    """
    inside = {parent.relative_to(folder).parts for parent in {file.parent for file in images}}
    while all(inside) and len({parts[0] for parts in inside}) == 1:
        name = next(iter(inside))[0]
        holds_folders = all(len(parts) > 1 for parts in inside)
        is_container = holds_folders or name.lower() in _CONTAINERS
        if not is_container or set_of(name) or name in (data.class_names or ()):
            break
        folder, inside = folder / name, {parts[1:] for parts in inside}
    return folder


def read_folder(path: Path, data: DataConfig, labels: bool) -> dict[str, Part]:
    """Returns all images below a folder, divided if it has folders of a training set and others.

    What is taken for what, and what is left out, is printed.

    Args:
        path: the folder.
        data: the section of the config that states how to read the images, and which sub-folders
            are classes.
        labels: whether to return the class of each image, if all images are in sub-folders.

    Returns:
        images and labels by the name of the set: ``'training'``, and ``'validation'`` and
        ``'test'`` where they exist.

    Raises:
        UserError: there are no images, one cannot be read, a sub-folder is not a class, or it is
            not clear which sub-folders are sets.

    Examples:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("owl", "wren"):
        ...     (folder / name).mkdir()
        ...     Image.new("L", (8, 8)).save(folder / name / "1.png")
        >>> sets = read_folder(folder, DataConfig(source=str(folder)), labels=True)
        >>> images, labels = sets["training"]
        >>> images.shape, labels.tolist()
        ((2, 8, 8, 1), [0, 1])
    """
    found, folders = _found_sets(path, data)
    files = {name: find_images(folder) for name, folder in folders.items()}
    _tell(path, found, folders, files)
    folders = {name: class_root(folders[name], files[name], data) for name in folders}
    known = [class_names(folders[name], files[name]) for name in folders]
    names = (data.class_names or known[0]) if labels and all(known) else None
    sets = {}
    broken = []
    for name, folder in folders.items():
        try:
            images, read = read_images(files[name], data)
        except BrokenImagesError as error:
            broken.append(str(error))
            continue
        sets[name] = images, class_labels(folder, read, names) if names else None
    if broken:
        raise BrokenImagesError("; ".join(broken))
    if names:
        _tell_empty_classes(folders["training"], names, sets["training"][1])
    return sets


def _found_sets(path: Path, data: DataConfig) -> tuple[FoundFiles, dict[str, Path]]:
    """Returns the files in a folder, and the folder of each set."""
    found = find_files(path)
    root = class_root(path, found.images, data) if found.images else path
    inside = found if root == path else find_files(root)
    return found, _sets(root, inside, data)


def _sets(path: Path, found: FoundFiles, data: DataConfig) -> dict[str, Path]:
    """Returns the folder of each set; that of all images, if they are not divided, as training."""
    folders: dict[str, Path] = {}
    known = {folder: set_of(folder.name) for folder in found.folders}
    if not any(known.values()):
        used = {folder for folder in known if any(folder in f.parents for f in found.images)}
        classes = data.class_names or ()
        within = {f: set_within(f.name) for f in used if f.name not in classes}
        # A class may be called train_station: the names must mean several sets.
        if len(set(within.values()) - {None}) > 1:
            _check_all_are_sets(path, within)
            known = {folder: within[folder] for folder in known if folder in within}
    for folder, part in known.items():
        if part is None or folder.name in (data.class_names or ()):
            continue
        if part in folders:
            raise UserError(
                f"{path}: {folders[part].name}/ and {folder.name}/ are both named like the {part} "
                "set; keep one of them"
            )
        else:
            folders[part] = folder
    if not folders:
        _check_no_sets_below(path, found)
        return {"training": path}
    inside = set(folders.values())
    beside = [file for file in found.images if not inside & set(file.parents)]
    if "training" not in folders or (len(folders) == 1 and beside):
        [*_, last] = folders.values()
        is_set = "a set" if "training" not in folders else "the training set"
        rest = f"beside other images ({beside[0].relative_to(path)}, ...)" if beside else "alone"
        raise UserError(
            f"{path}: {last.name}/ is named like {is_set}, but is {rest}; add the folder train/ or "
            "test/, rename it, or name it in data.class_names if it is a class"
        )
    return {part: folders[part] for part in _SET_NAMES if part in folders}


def _check_all_are_sets(path: Path, within: dict[Path, str | None]) -> None:
    others = sorted(folder.name for folder, part in within.items() if part is None)
    if others:
        sets = sorted(folder.name for folder, part in within.items() if part)
        raise UserError(
            f"{path}: {', '.join(f'{name}/' for name in sets)} are named like sets, but "
            f"{others[0]}/ beside them is not; take it away, call the sets train/, val/ and test/, "
            "or name all folders in data.class_names if they are classes"
        )


def _check_no_sets_below(path: Path, found: FoundFiles) -> None:
    """Raises UserError if the sub-folders hold several sets each, as in ``owl/train``, which would
    be mixed."""
    sets: dict[str, Path] = {}
    for holder in sorted({file.parent for file in found.images}):
        inside = holder.relative_to(path)
        for folder in (inside, *inside.parents):
            part = set_of(folder.name) or set_within(folder.name)
            if len(folder.parts) > 1 and part:
                sets.setdefault(part, folder)
    if len(sets) > 1:
        first, second, *_ = sorted(sets.values())
        raise UserError(
            f"{path}: {first}/ and {second}/ are named like sets, but are not directly in it; put "
            f"the sets first ({first.name}/{first.parts[0]}/, for example), or name the folder "
            "that holds them"
        )


def _tell(path: Path, found: FoundFiles, folders: dict[str, Path], files: dict) -> None:
    taken = [
        f"{folder.name}/ is the {part} set"
        for part, folder in folders.items()
        if folder != path and (set_of(folder.name) or set_within(folder.name))
    ]
    if taken:
        say(f"{path}: {', '.join(taken)}")
    read = {file for inside in files.values() for file in inside}
    left_out = [file.relative_to(path) for file in found.images if file not in read]
    if left_out:
        say(f"{path}: left out {len(left_out):,} images beside these ({left_out[0]}, ...)")
    if found.others:
        say(f"{path}: left out {count_by_ending(found.others)} (not images)")


def _tell_empty_classes(folder: Path, names: list[str], labels: np.ndarray) -> None:
    empty = [inside.name for inside in find_files(folder).folders if inside.name not in names]
    present = set(labels.tolist())
    empty += [name for label, name in enumerate(names) if label not in present]
    if empty:
        numbers = ", ".join(f"{label} {name}" for label, name in enumerate(names))
        say(f"{folder}: no images in {', '.join(empty)}; the classes are {numbers}")


def folder_classes(path: Path, data: DataConfig) -> list[str] | None:
    """Returns the class names of a folder of images, indexed by label, or None without classes.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "owl").mkdir()
        >>> (folder / "owl" / "1.png").touch()
        >>> folder_classes(folder, DataConfig(source=str(folder)))
        ['owl']
    """
    _, folders = _found_sets(path, data)
    files = find_images(folders["training"])
    return class_names(class_root(folders["training"], files, data), files)
