"""Transports to LLM servers behind a service. The service supplies the errors that they raise.

`openai` and `tgi` are imported where they are needed; `tgi` imports huggingface_hub.
"""
