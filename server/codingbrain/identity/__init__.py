"""Who calls and what they may do, as pure values and rules."""
