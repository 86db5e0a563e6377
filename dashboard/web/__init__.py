"""The desk's own HTTP: sign-in, guards, headers, health, around Streamlit's application."""
