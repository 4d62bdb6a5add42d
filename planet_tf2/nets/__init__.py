"""Layers, networks, distributions and optimizers that agents are made of."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "basic": ["FeedForward"],
        "conv_ha": ["Decoder", "Encoder"],
        "gru": ["GRUCell"],
        "norm_gru": ["NormGRUCell"],
        "normed": ["MLP", "NormedDense"],
        "normed_conv": ["ImageDecoder", "ImageEncoder"],
        "normed_heads": ["DistributionHead", "VectorDecoder"],
    },
)
