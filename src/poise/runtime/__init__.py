"""The shell that runs the core: sequencer, replay, record, and the processes of a desk."""
