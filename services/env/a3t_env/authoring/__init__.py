"""For authors of environments: `a3t env new` writes a skeleton, `a3t env check` proves what a run relies on."""
