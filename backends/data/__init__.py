"""Videos to clips: data sets, archives, decoding, annotations, the clip store and the guide's own files."""
