"""The interfaces of other memory libraries, on top of Keepstone, so that moving over changes one import."""
