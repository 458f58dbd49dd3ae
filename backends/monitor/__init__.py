"""What devices report while a run goes on: samples, energy, drift."""
