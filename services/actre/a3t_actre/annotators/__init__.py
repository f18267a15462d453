"""Who writes reasons: `template` without an LLM, `llm` with one."""
