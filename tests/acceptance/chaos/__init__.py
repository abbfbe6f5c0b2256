"""Jobs under random faults, and the audit that tells whether any was lost, doubled or left half done."""
