"""What component types share: steps, retention, and what every type does alike."""
