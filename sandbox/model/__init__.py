"""The demo model: an endpoint of the shape of Gemini's generateContent that answers by rules."""
