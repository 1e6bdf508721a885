"""Game engines that nobody here wrote, as players: programs that speak UCI or GTP."""
