"""The search pipeline: plan, fan out, fuse, trim."""
