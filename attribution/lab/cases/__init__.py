"""Files with known right answers, of the kinds on which untouched people were accused or manipulated clips cleared."""
