"""Pictures in full pixels where the terminal has them: what it is asked, how they are written and kept over cells."""
