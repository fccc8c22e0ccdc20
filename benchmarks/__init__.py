"""Measurements that stand behind the project's figures. Each compares side by side in one run, arms alternated."""
