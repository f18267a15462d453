"""LLM servers behind a service: how they are called, with the service's own words for what goes wrong.

`openai` and `tgi` are imported by those that need them; the latter brings huggingface_hub along.
"""
