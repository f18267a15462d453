"""Transports to LLM servers behind a service. The service decides which errors they raise (`Failures`).

`openai` and `tgi` are imported where they are needed; `tgi` imports huggingface_hub.
"""
