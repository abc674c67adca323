"""Views of a run, while it goes on and afterwards: terminal, report.json, junit.xml; the course."""
