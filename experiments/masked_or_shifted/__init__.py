"""Can shifted convolutions replace masked ones? See ``python -m experiments.masked_or_shifted``."""
