"""Agents: what learns from experience and acts."""
