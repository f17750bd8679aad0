"""Images from folders, with sets and classes from the names of their sub-folders."""

from pathlib import Path

from pixelcnn_tf.config.data import DataConfig
from pixelcnn_tf.data.image_files import (
    FoundFiles,
    class_labels,
    class_names,
    count_by_ending,
    find_files,
    find_images,
    read_images,
)
from pixelcnn_tf.data.images import Part
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.progress import say

#: The names of the sub-folders that are the sets, in any case.
SET_NAMES = {
    "training": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}


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
    found = find_files(path)
    folders = _sets(path, found, data)
    files = {name: find_images(folder) for name, folder in folders.items()}
    _tell(path, found, folders, files)
    known = [class_names(folders[name], files[name]) for name in folders]
    names = (data.class_names or known[0]) if labels and all(known) else None
    if names:
        _tell_empty_classes(folders["training"], names)
    sets = {}
    for name, folder in folders.items():
        images, read = read_images(files[name], data)
        sets[name] = images, class_labels(folder, read, names) if names else None
    return sets


def _sets(path: Path, found: FoundFiles, data: DataConfig) -> dict[str, Path]:
    """Returns the folder of each set; that of all images, if they are not divided, as training."""
    folders: dict[str, Path] = {}
    others = []
    for folder in found.folders:
        name = folder.name.lower()
        part = next((part for part, names in SET_NAMES.items() if name in names), None)
        if part is None or folder.name in (data.class_names or ()):
            others.append(folder)
        elif part in folders:
            raise UserError(
                f"{path}: {folders[part].name}/ and {folder.name}/ are both named like the {part} "
                "set; keep one of them"
            )
        else:
            folders[part] = folder
    if not folders:
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
    return {part: folders[part] for part in SET_NAMES if part in folders}


def _tell(path: Path, found: FoundFiles, folders: dict[str, Path], files: dict) -> None:
    if list(folders.values()) != [path]:
        taken = [f"{folder.name}/ is the {part} set" for part, folder in folders.items()]
        say(f"{path}: {', '.join(taken)}")
    n_left_out = len(found.images) - len({file for inside in files.values() for file in inside})
    if n_left_out:
        say(f"{path}: left out {n_left_out:,} images outside of these folders")
    if found.others:
        say(f"{path}: left out {count_by_ending(found.others)} (not images)")


def _tell_empty_classes(folder: Path, names: list[str]) -> None:
    empty = [inside.name for inside in find_files(folder).folders if inside.name not in names]
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
    folder = _sets(path, find_files(path), data)["training"]
    return class_names(folder, find_images(folder))
