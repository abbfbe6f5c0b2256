"""What is claimed about speed, measured on real servers and workers; each as a ratio within one run."""
