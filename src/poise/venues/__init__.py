"""What each venue's bytes mean, sans-IO: addresses, channels, subscriptions, parsing, healing."""
