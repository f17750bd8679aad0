"""Which settings of a run may change when it is resumed."""

from pixelcnn_tf.config.schema import Config

#: Settings that do not change the trained weights.
_FREE = {
    "name",  # with runs_dir, where the run is
    "runs_dir",
    "plugins",  # where the files are
    "strategy",  # the same to rounding
    "data.cache_gb",
    "data.palette",
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
    the same images, all of ``data`` may change but how they are made binary, augmented and noisy,
    and what conditions are made of them.

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
    before, after = flat(old.model_dump()), flat(new.model_dump())
    if same_images:
        free |= {key for key in {**before, **after} if key.startswith("data.")}
        free -= {"data.binarize", "data.augment", "data.mutation_rate", "data.condition"}
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


def flat(values: dict, prefix: str = "") -> dict:
    """Returns nested dicts as one, with keys such as ``'training.steps'``.

    Examples:
        >>> flat({"training": {"steps": 3}})
        {'training.steps': 3}
    """
    result = {}
    for key, value in values.items():
        inner = flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        result.update(inner)
    return result
