"""Which settings of a run may change when it is resumed."""

from pixelcnn_tf.config.schema import Config

#: Settings that do not change the trained weights.
_FREE = {
    "name",  # with runs_dir, where the run is
    "runs_dir",
    "plugins",  # where the files are
    "data.cache_gb",
    "training.log_every",
    "training.eval_every",
    "training.sample_every",
    "training.checkpoint_every",
    "training.keep_checkpoints",
    "sampling.n_images",
    "sampling.temperature",
    "sampling.top_p",
}


def forbidden_changes(old: Config, new: Config, same_images: bool = False) -> list[str]:
    """Returns the keys whose values differ, excluding those that a resumed run may change.

    More steps or minutes only make a run longer, unless the learning rate depends on them. With
    the same images, all of ``data`` may change but how they are made binary and augmented.

    Args:
        old: the config that the run was started with.
        new: the config that it is to be resumed with.
        same_images: whether the images and labels are the same.

    Returns:
        for each key the two values, in words.

    Examples:
        >>> old, new = Config(name="a"), Config(name="a", seed=1)
        >>> forbidden_changes(old, new)
        ['seed: 0 there, 1 here']
    """
    free, cosine = set(_FREE), new.training.schedule == "cosine"
    if not cosine:
        for key in ("steps", "minutes"):
            before, after = getattr(old.training, key), getattr(new.training, key)
            if before is not None and after is not None and after >= before:
                free.add(f"training.{key}")
    before, after = _flat(old.model_dump()), _flat(new.model_dump())
    if same_images:
        free |= {key for key in {**before, **after} if key.startswith("data.")}
        free -= {"data.binarize", "data.augment"}
    return [
        f"{key}: {before.get(key)} there, {after.get(key)} here"
        + (
            ", which changes the cosine schedule"
            if cosine and key in ("training.steps", "training.minutes")
            else ""
        )
        for key in {**before, **after}
        if before.get(key) != after.get(key) and key not in free
    ]


def _flat(values: dict, prefix: str = "") -> dict:
    flat = {}
    for key, value in values.items():
        flat.update(
            _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        )
    return flat
