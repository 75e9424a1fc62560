"""What writes the generated pages of the documentation, a module per page."""
