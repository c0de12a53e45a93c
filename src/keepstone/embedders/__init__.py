"""Embedders: texts to vectors, one provider a module."""
