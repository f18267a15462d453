"""The ActRe LLM over HTTP: act first, the reason after the fact."""
