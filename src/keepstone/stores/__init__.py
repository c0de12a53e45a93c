"""Where memory is kept: one module an engine, all under the laws of `keepstone.testing`."""
