"""What follow-up papers do to finished embeddings to move the gap, and the tasks that judge it."""
