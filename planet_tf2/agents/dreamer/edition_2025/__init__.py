"""DreamerV3 as of 2025 (Hafner et al., Nature), beside that of 2023."""
