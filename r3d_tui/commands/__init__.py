"""The commands of the plain face, by what one does with them; `r3d_tui.cli` lists them and words their errors."""
