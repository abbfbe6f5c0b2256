/* Of /docs: Swagger UI on the API's own description. */
SwaggerUIBundle({ url: "openapi.json", dom_id: "#docs", deepLinking: true });
