"""The five phases that mutate, one module each."""
