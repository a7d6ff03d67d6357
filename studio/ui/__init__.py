"""The page: a Gradio app and the routes that its tabs ask. It shows and passes on; what is decided is decided below."""
