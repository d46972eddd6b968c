"""The ways by which notices reach people: mail, a Teams channel, a ticket in Syncro (`shared.ports.Channel`)."""
