"""Chat models, one provider a module."""
