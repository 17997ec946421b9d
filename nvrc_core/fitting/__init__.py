"""How the parameters are found: losses, schedules, rate control, the training loop."""
