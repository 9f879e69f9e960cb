"""The commands of the gateway, found by the entry points of `unbroken.commands`."""
