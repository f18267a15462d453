"""Tools for authors of environments: `a3t env new` writes a skeleton, `a3t env check` tests whether runs can use it."""
