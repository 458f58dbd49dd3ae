"""Videos to frames, frames and split files to an annotation: where the labelled clips come from."""
