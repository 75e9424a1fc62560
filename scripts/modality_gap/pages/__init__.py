"""The pages of the report: words, tables and templates."""
