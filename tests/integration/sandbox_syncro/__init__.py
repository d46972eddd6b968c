"""The simulated Syncro, the control API and the world, over real HTTP on loopback."""
