"""What pytest leaves alone in this folder."""

# A script, not a test: looking for doctests in it would need torch, which the tests do without.
collect_ignore = ["export_torch.py"]
