"""What the registries say of optimizers, schedules and presets, written out for people: in a terminal, in Markdown."""
