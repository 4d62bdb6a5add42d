"""Agents in environments: rollouts in one graph, and random episodes."""
