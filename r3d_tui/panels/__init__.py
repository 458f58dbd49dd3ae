"""The seven panels and the rail, each a view in a sheet."""
