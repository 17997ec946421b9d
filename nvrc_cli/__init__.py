"""The `nvrc` command: words on a screen, no codec logic."""
