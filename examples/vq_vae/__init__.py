"""A VQ-VAE whose prior is a model of pixelcnn_tf: ``python -m examples.vq_vae --help``."""
