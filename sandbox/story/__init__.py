"""The three invented customers of the demo, one file each. `sandbox/seeds.py` puts them into the vendors."""
